"""Why an act had no effect, in words for people. The keys are what `Verdict.why` holds."""

from __future__ import annotations

from collections.abc import Mapping

from schemas.text import Text

WHY: Mapping[str, Text] = {
    "unreadable": Text("it is no act this version knows", "不是本版本可识别的操作"),
    "signature": Text("a signature does not verify under the person's key", "签名与本人密钥不符"),
    "lapsed": Text("the person's key was not valid any more by then", "操作时本人密钥已过有效期"),
    "repeated": Text("it is a copy of an earlier act", "是先前操作的重复"),
    "no_rule": Text("this version has no rule for it", "本版本没有相应规则"),
    "unknown": Text("there is no such application", "没有该申请"),
    "unknown_grant": Text("the application does not ask for one of the grants", "其中有申请未包含的授权"),
    "role": Text("it is not yours to do: your role or department has no say here", "无权操作: 角色或部门不符"),
    "taken": Text("an application of another department has this id", "该编号已被其他部门的申请使用"),
    "not_as_drafted": Text("the list is not what the application asks for", "清单与申请内容不符"),
    "decided": Text("it has been decided already, and a decision is made once", "已有决定, 同一决定只作一次"),
    "once": Text("it is done once for an application, and it was", "每项申请仅可一次, 且已办理"),
    "bureau": Text("the data bureau checks form and never approves", "数据主管部门只作形式审查, 不作审批"),
    "own": Text("nobody approves an application they filed themselves", "不得审批本人提交的申请"),
    "both_sides": Text("nobody signs for both sides", "同一人不得代表双方签名"),
    "reason": Text("a refusal needs its reason and the article it rests on", "不予同意须说明理由与依据条款"),
    "over": Text("its validity is over", "有效期已届满"),
    "not_all_signed": Text("not every line is signed", "并非每一行都已签名"),
    "line_twice": Text("a line stands there twice", "清单中有重复行"),
    "not_as_written": Text("the list is not what the document says", "清单与文件内容不符"),
    "signed_already": Text("exactly this has been signed already", "同一内容已经签署"),
    "version": Text("its version is not newer than the one signed before", "版本未高于已签署的版本"),
    "no_standing": Text("your department has signed no such standing approval", "本部门未签署该常态化授权"),
    "ended": Text("it has been ended already", "已经终止"),
    "not_covered": Text("no line in force covers it", "没有有效的清单行涵盖该项"),
    "draft": Text("the application has not been submitted yet", "申请尚未提交"),
    "submitted": Text("the application has been submitted", "申请已提交"),
    "supplement_requested": Text(
        "the application waits for what its applicant must supplement", "申请正待申请方补正材料"
    ),
    "approved": Text("the application has been approved", "申请已获同意"),
    "partly_approved": Text("the application has been decided: approved in part", "申请已办结: 部分同意"),
    "refused": Text("the application has been refused", "申请未获同意"),
    "withdrawn": Text("the application was withdrawn", "申请已撤回"),
    "destroyed": Text("the destruction has been confirmed already", "销毁已确认"),
}


def why_text(word: str) -> Text:
    """The words of a `Verdict`; rules of other files may use words of their own."""
    return WHY.get(word, Text(word, word))

"""The generated pages say what the code says."""

from infra.bus.reference import metrics_page, settings_page, stale
from infra.runtime.settings import Settings


def test_no_generated_page_is_stale() -> None:
    assert stale() == []


def test_every_setting_is_on_the_page_with_its_meaning() -> None:
    lines = settings_page().splitlines()

    for name, field in Settings.model_fields.items():
        assert field.description, name
        assert any(line.startswith(f"| `BUS_{name.upper()}` |") for line in lines)


def test_no_metric_has_a_label_that_could_hold_a_key_or_an_id_of_a_record() -> None:
    assert not {"key", "id", "event_id", "offset"} & set(metrics_page().replace(",", " ").replace("|", " ").split())

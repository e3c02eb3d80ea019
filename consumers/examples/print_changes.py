"""Print every change of a grant, and go on tomorrow where it stopped today.

Run: BUS_CREDENTIALS=shuiwu.yaml python -m consumers.examples.print_changes shuiwu.enterprise.2026-001
"""

import sys

from consumers import Event, GenerationStarted, GrantEnded, Subscriber


def main(grant: str) -> None:
    """Until the grant ends."""
    with Subscriber(grant=grant) as events:
        for event in events:
            match event:
                case GenerationStarted():
                    print(f"generation {event.generation} ({event.reason}): {', '.join(event.fields)}")
                case Event():
                    print(event.op.value, dict(event.key), event.after)
                    event.acknowledge()
                case GrantEnded():
                    print(event.message.en)


if __name__ == "__main__":
    main(sys.argv[1])

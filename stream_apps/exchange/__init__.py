"""The exchange: change events in, view events out, one Kafka transaction per unit of work (DESIGN 4)."""

from stream_apps.exchange.app import run_exchange

__all__ = ["run_exchange"]

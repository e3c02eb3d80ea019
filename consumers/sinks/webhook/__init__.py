"""HTTP webhooks: view events as signed JSON, to a receiver that drops the ids it has seen."""

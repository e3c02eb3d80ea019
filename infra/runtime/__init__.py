"""What every process of the bus needs at run time: settings, Kafka clients, the registry, the control log, metrics, logs."""

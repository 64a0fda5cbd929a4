"""Flask: lets people and programs in. Never decides what the registry should do."""

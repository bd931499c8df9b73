"""ringmoe_core."""

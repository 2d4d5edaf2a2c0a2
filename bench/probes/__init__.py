"""What runs in the processes that are measured. Nothing here may import what the measured would not."""

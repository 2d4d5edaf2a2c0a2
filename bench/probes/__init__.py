"""The programs that run in the measured processes. They may import nothing that the measured code would not."""

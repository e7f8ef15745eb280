"""What a process tells about itself: structured logs and OpenTelemetry traces. Metrics stand beside what they count."""

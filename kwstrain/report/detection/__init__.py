"""Pictures and pages of detections."""

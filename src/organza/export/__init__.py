"""Export: a run's networks as files that need neither the run nor, but for the folder, organza: safetensors with a card, ONNX, a page."""

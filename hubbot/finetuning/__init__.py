"""Fine-tuning: checkpoints in, fine-tuned checkpoints out."""

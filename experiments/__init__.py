"""Claims about the model, each with the experiment that may refute it; no part of the installed package."""

"""One folder a technology: each speaks its protocol and reports to the core."""

"""What ``hubbot doctor`` looks at: this machine, the settings, the Hub and GitHub."""

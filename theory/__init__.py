"""What is claimed: problems, claims, their derivations and sources. Never imports ``verify``."""

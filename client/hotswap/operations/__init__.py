"""The methods of ``hotswap.Registry``, a class for each subject."""

"""What Knative's runtime for Python looks for."""

from .func import new as new

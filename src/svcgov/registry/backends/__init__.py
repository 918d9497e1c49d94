"""The engines that a registry can be kept in. Each is loaded when its scheme is used."""

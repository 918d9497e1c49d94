"""Documents: settings that come from outside of the code, and change while it runs. Loaded where there is one."""

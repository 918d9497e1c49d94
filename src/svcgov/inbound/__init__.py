"""The ways in: one file for each platform, which finds out what came along with a call and hands it on."""

"""The leaderboards as static pages that work from a folder, without a server and without anything from outside."""

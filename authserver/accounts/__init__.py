"""People, how they prove who they are, and their browsers; independent of OAuth."""

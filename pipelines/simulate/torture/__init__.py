"""A catalogue of which every entry has something wrong, with the outcome that is right."""

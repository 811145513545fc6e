"""What comes in: tables whose cells are text, media, vectors, categories or numbers, any of them missing."""

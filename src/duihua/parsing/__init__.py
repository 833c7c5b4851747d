"""What an answer's text is: thinking, words for the reader, or calls of tools."""

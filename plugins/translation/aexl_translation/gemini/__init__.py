"""Gemini's generateContent: requests and answers, read and written."""

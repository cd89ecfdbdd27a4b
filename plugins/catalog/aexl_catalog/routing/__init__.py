"""Which of several targets a call goes to first, and which are left alone for a while."""

"""What an earlier run left that this one compares itself with."""

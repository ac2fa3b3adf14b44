"""What bulk prediction leaves behind: rows in numbered parts, the state of each shard, and one table of them all."""

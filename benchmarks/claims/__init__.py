"""How many jobs a second many workers claim on PostgreSQL, beside other ways to claim them."""

# Makes of config/example.toml a configuration for servers that nobody has, with the state where unit and image keep it.
s/^state_dir = .*/state_dir = "\/var\/lib\/tailfill"/
s/:\(3306\|11211\|9090\)/:1/
s/^listen = .*/listen = "127.0.0.1:0"/
s/^retry_for = .*/retry_for = "1s"/

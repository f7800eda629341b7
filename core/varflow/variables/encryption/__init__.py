"""What lies in a store, unreadable without a key: keys, the form of sealed objects, the store."""

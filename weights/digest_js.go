package weights

func newDigest() *digest { return new(digest) }

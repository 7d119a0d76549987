package store

import "sync"

// blockCache keeps what blocks inflate to. Those of the hour that is not over hold
// all series, so that a page of charts inflates the same sixty for each of them,
// and again when it is brought up to date; that is most of its work. A block is
// known by its bytes, which are never another's.
type blockCache struct {
	mu    sync.Mutex
	plain map[string][]byte
	order []string // the oldest first
	size  int
}

// maxCached is how many bytes a cache holds, of blocks and what they inflate to:
// two hours of a large home.
const maxCached = 2 << 20

// decode is decodeBlob with a cache, which may be nil.
func (c *blockCache) decode(b []byte, only int64) ([]column, error) {
	if c == nil {
		return decodeBlob(b, only)
	}
	c.mu.Lock()
	plain, ok := c.plain[string(b)]
	c.mu.Unlock()
	if ok {
		return parseColumns(plain, only)
	}
	plain, err := unpack(blobForm, b)
	if err != nil {
		return nil, err
	}
	if len(plain) > 0 && plain[0] != 1 { // a chunk has one series, and is asked for by no other
		c.keep(string(b), plain)
	}
	return parseColumns(plain, only)
}

func (c *blockCache) keep(b string, plain []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.plain == nil {
		c.plain = map[string][]byte{}
	}
	if _, ok := c.plain[b]; ok || len(b)+len(plain) > maxCached/16 {
		return
	}
	c.plain[b], c.order = plain, append(c.order, b)
	c.size += len(b) + len(plain)
	for c.size > maxCached {
		oldest := c.order[0]
		c.size -= len(oldest) + len(c.plain[oldest])
		delete(c.plain, oldest)
		c.order = c.order[1:]
	}
}

// cachedQuerier is a querier of a reader that has a cache.
type cachedQuerier struct {
	querier
	cache *blockCache
}

// cacheOf is the cache of a querier, nil when it has none.
func cacheOf(q querier) *blockCache {
	if c, ok := q.(cachedQuerier); ok {
		return c.cache
	}
	return nil
}

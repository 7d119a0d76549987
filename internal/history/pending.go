package history

import (
	"context"
	"io"
	"sync"
	"time"

	"github.com/smartcore-ireland/hems/internal/store"
)

const (
	// pendingFor is how long an answer about what is not yet in the file is used
	// again: a question about the past asks the store several times.
	pendingFor = time.Second
	// pendingWithin bounds the wait for it: the file alone is a good answer too.
	pendingWithin = 2 * time.Second
	// pendingAway is how long a writer that did not answer is not asked again.
	pendingAway = 5 * time.Second
)

// Pending is for store.ReaderOptions: what the writer has not yet written, as ask
// brings it, asked at most once a second. What is older than that is in the file or
// still waits, so nothing is lost by it but the newest second.
func Pending(ask func(context.Context) (io.ReadCloser, error)) func(context.Context) (store.Pending, error) {
	var (
		mu    sync.Mutex
		until time.Time
		kept  store.Pending
		err   error
	)
	return func(ctx context.Context) (store.Pending, error) {
		mu.Lock()
		defer mu.Unlock()
		if time.Now().Before(until) {
			return kept, err
		}
		// Others may wait for the same answer: it does not end with who asked first.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), pendingWithin)
		defer cancel()
		kept, err = takePending(ctx, ask)
		if err != nil {
			until = time.Now().Add(pendingAway)
		} else {
			until = time.Now().Add(pendingFor)
		}
		return kept, err
	}
}

func takePending(ctx context.Context, ask func(context.Context) (io.ReadCloser, error)) (store.Pending, error) {
	body, err := ask(ctx)
	if err != nil {
		return store.Pending{}, err
	}
	defer body.Close()
	return store.DecodePending(body)
}

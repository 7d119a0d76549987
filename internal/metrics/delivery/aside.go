package delivery

import (
	"context"

	"github.com/smartcore-ireland/hems/internal/store"
)

// asideAtOnce is how many of those that were put aside are sent again at a time.
const asideAtOnce = 1000

// putAside keeps what no repetition brings to the server, before the cursor
// passes it.
func (s *Sender) putAside(ctx context.Context, st *store.Store, refused []refusal) error {
	if len(refused) == 0 {
		return nil
	}
	if err := st.PutAside(ctx, s.Cursor(), s.aside(refused)); err != nil {
		return err
	}
	first := refused[0]
	s.log.Warn("the destination does not take readings; they are put aside", "readings", len(refused), "line", first.line, "answer", first.why)
	s.changed()
	return nil
}

func (s *Sender) aside(refused []refusal) []store.Aside {
	list := make([]store.Aside, 0, len(refused))
	for _, r := range refused {
		list = append(list, store.Aside{Item: r.Item, Line: r.line, Reason: r.why, Put: s.now()})
	}
	return list
}

// ResendAside has everything that was put aside sent again, and returns how many
// readings that is. What is refused again stays aside.
func (s *Sender) ResendAside(ctx context.Context, st *store.Store) (int64, error) {
	n, err := st.MarkAside(ctx, s.Cursor())
	if err == nil {
		s.asideDue.Store(true)
		s.lookAgain()
	}
	return n, err
}

// lookAgain ends a wait for the server, or for readings.
func (s *Sender) lookAgain() {
	s.mu.Lock()
	again := s.again
	s.mu.Unlock()
	again()
}

// resendAside sends what is aside and marked to be sent again.
func (s *Sender) resendAside(ctx context.Context, st *store.Store) error {
	if !s.asideDue.Swap(false) {
		return nil
	}
	for after := int64(0); ; {
		list, err := st.ListAside(ctx, s.Cursor(), after, min(asideAtOnce, s.limit), true)
		if err != nil {
			s.asideDue.Store(true)
			return err
		}
		if len(list) == 0 {
			return nil
		}
		after = list[len(list)-1].ID
		items := make([]store.Item, len(list))
		for i, a := range list {
			items[i] = a.Item
		}
		refused, ok := s.deliver(ctx, s.lines.points(items, st.Series()), func(ctx context.Context) []point {
			batch, err := st.Next(ctx, s.Cursor(), leastLines)
			if err != nil {
				return nil
			}
			return s.lines.points(batch.Items, st.Series())
		})
		if !ok {
			s.asideDue.Store(true)
			return nil
		}
		if err := s.settle(ctx, st, list, refused); err != nil {
			s.asideDue.Store(true)
			return err
		}
	}
}

// settle takes what the server has now from those aside.
func (s *Sender) settle(ctx context.Context, st *store.Store, list []store.Aside, refused []refusal) error {
	type key struct {
		series, ms int64
		text       string
	}
	why := map[key]refusal{}
	for _, r := range refused {
		why[key{r.Series, r.Time.UnixMilli(), r.Text}] = r
	}
	var taken []int64
	var still []store.Aside
	for _, a := range list {
		r, no := why[key{a.Series, a.Time.UnixMilli(), a.Text}]
		if !no {
			taken = append(taken, a.ID)
			continue
		}
		a.Line, a.Reason, a.Put = r.line, r.why, s.now()
		still = append(still, a)
	}
	err := st.SettleAside(ctx, s.Cursor(), taken, still)
	if err == nil {
		s.log.Info("readings that were aside were sent again", "taken", len(taken), "refused", len(still))
		s.changed()
	}
	return err
}

package household

import "math/rand/v2"

// plan is a day being put together, in W by slots.
type plan struct {
	random *rand.Rand
	watts  [slotsPerDay]int32
}

// add lets something run. Times are in minutes of the day; what runs past
// midnight is cut off.
func (p *plan) add(minute, minutes float64, watts int) {
	from, to := int(minute*6), int((minute+minutes)*6)
	for i := max(from, 0); i < min(to, int(slotsPerDay)); i++ {
		p.watts[i] += int32(watts)
	}
}

// about returns a time around a minute of the day, give or take spread.
func (p *plan) about(minute, spread float64) float64 {
	return minute + spread*(2*p.random.Float64()-1)
}

// fridge runs its compressor a third of the time.
func (p *plan) fridge() {
	for m := p.random.Float64() * 40; m < 24*60; {
		run := 12 + 4*p.random.Float64()
		p.add(m, run, 85)
		m += run + 24 + 8*p.random.Float64()
	}
}

func (p *plan) kettle(minute float64) {
	p.add(p.about(minute, 15), 2.5+p.random.Float64(), 2200)
}

// hob switches a ring on and off as its thermostat does.
func (p *plan) hob(minute, minutes float64) {
	for m := minute; m < minute+minutes; m += 2 {
		p.add(m, 0.7, 1800)
	}
}

// oven heats up, then keeps its temperature.
func (p *plan) oven(minute, minutes float64) {
	p.add(minute, 9, 2200)
	for m := minute + 12; m < minute+minutes; m += 6 {
		p.add(m, 1.5, 2200)
	}
}

// washing heats its water and then turns.
func (p *plan) washing(minute float64) {
	p.add(minute, 14, 2000)
	p.add(minute+14, 70, 160)
	p.add(minute+84, 8, 380)
}

func (p *plan) working() {
	p.kettle(7 * 60)
	p.add(p.about(7*60+15, 5), 4, 1000) // toaster
	p.add(6.7*60, 90, 110)              // lights in the morning
	p.kettle(10.5 * 60)
	p.add(9*60, 8*60, 60) // somebody works at home
	p.hob(p.about(18*60, 20), 35)
	if p.random.IntN(3) == 0 {
		p.washing(p.about(19*60, 30))
	}
}

func (p *plan) weekend() {
	p.kettle(8.5 * 60)
	p.add(p.about(9*60, 10), 6, 1000) // toaster
	p.kettle(11 * 60)
	p.add(9*60, 9*60, 120) // everybody is at home
	p.hob(p.about(13*60, 20), 25)
	p.oven(p.about(17.5*60, 30), 60)
	if p.random.IntN(3) != 0 {
		p.washing(p.about(10.5*60, 40))
	}
}

func (p *plan) evening() {
	p.kettle(16.5 * 60)
	p.kettle(20.5 * 60)
	p.add(17.2*60, 5.5*60, 100)            // lights
	p.add(p.about(19*60, 20), 3.3*60, 130) // television
	p.add(p.about(21*60, 10), 15, 1100)    // dishwasher heating
	p.add(p.about(21*60+20, 10), 60, 90)   // dishwasher turning
	p.add(p.about(22.5*60, 10), 6, 1200)   // hair dryer
}

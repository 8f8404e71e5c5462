package calibrate

import (
	"fmt"
	"html"
	"math"
	"strings"
)

// The places and colours of the pictures.
const (
	panelWidth, panelHeight = 470, 230
	marginLeft, marginRight = 14, 14
	marginTop, marginBottom = 46, 34
	plotWidth               = panelWidth - marginLeft - marginRight
	plotHeight              = panelHeight - marginTop - marginBottom

	measuredColour, fittedColour = "#9db8d9", "#c0392b"
)

// picture collects the elements of an SVG picture.
type picture struct {
	strings.Builder
}

func newPicture(width, height int) *picture {
	p := &picture{}
	fmt.Fprintf(p, `<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" viewBox="0 0 %d %d" font-family="sans-serif" font-size="12">`+"\n", width, height, width, height)
	fmt.Fprintf(p, `<rect width="%d" height="%d" fill="white"/>`+"\n", width, height)
	return p
}

func (p *picture) text(x, y float64, anchor, style, s string) {
	fmt.Fprintf(p, `<text x="%.1f" y="%.1f" text-anchor="%s" %s>%s</text>`+"\n", x, y, anchor, style, html.EscapeString(s))
}

func (p *picture) line(points []string, colour string) {
	fmt.Fprintf(p, `<polyline points="%s" fill="none" stroke="%s" stroke-width="2"/>`+"\n", strings.Join(points, " "), colour)
}

func (p *picture) end() []byte {
	p.WriteString("</svg>\n")
	return []byte(p.String())
}

// axis draws the line below a plot with round numbers of milliseconds or seconds on it.
func (p *picture) axis(x, y, width, low, high float64) {
	fmt.Fprintf(p, `<line x1="%.1f" y1="%.1f" x2="%.1f" y2="%.1f" stroke="#444"/>`+"\n", x, y, x+width, y)
	step := roundStep((high - low) / 5)
	for v := math.Ceil(low/step) * step; v <= high; v += step {
		at := x + (v-low)/(high-low)*width
		fmt.Fprintf(p, `<line x1="%.1f" y1="%.1f" x2="%.1f" y2="%.1f" stroke="#444"/>`+"\n", at, y, at, y+4)
		p.text(at, y+17, "middle", `fill="#444"`, axisLabel(v, high))
	}
}

func axisLabel(ns, high float64) string {
	if high >= 3e9 {
		return fmt.Sprintf("%gs", math.Round(ns/1e7)/100)
	}
	return fmt.Sprintf("%gms", math.Round(ns/1e3)/1e3)
}

// roundStep is 1, 2 or 5 times a power of ten, at least x.
func roundStep(x float64) float64 {
	power := math.Pow(10, math.Floor(math.Log10(max(x, 1))))
	for _, m := range []float64{1, 2, 5} {
		if m*power >= x {
			return m * power
		}
	}
	return 10 * power
}

// Picture draws a histogram of each operation's times with the distribution that fits it.
func (r *Result) Picture() []byte {
	var shown []*Operation
	for i := range r.Operations {
		if r.Operations[i].N > 1 && r.Operations[i].Sigma > 0 {
			shown = append(shown, &r.Operations[i])
		}
	}
	rows := (len(shown) + 1) / 2
	p := newPicture(2*panelWidth, rows*panelHeight+30)
	p.text(marginLeft, 20, "start", `font-size="14"`, "What operations of the container runtime take alone: measured (bars) and fitted (line). "+r.Machines())
	for i, o := range shown {
		p.panel(o, float64(i%2*panelWidth), float64(30+i/2*panelHeight))
	}
	return p.end()
}

// panel draws one operation, up to its 99th percentile.
func (p *picture) panel(o *Operation, x, y float64) {
	low, high := min(o.numbers[0], o.Shift), max(quantile(o.numbers, 0.99), o.quantile(0.99))
	if high <= low {
		return
	}
	const bars = 40
	width := (high - low) / bars
	var counts [bars]float64
	for _, v := range o.numbers {
		if i := int((v - low) / width); i >= 0 && i < bars {
			counts[i] += 1 / (float64(o.N) * width)
		}
	}
	top := 0.0
	for i, c := range counts {
		top = max(top, c, o.prob(low+(float64(i)+0.5)*width))
	}
	left, bottom := x+marginLeft, y+marginTop+plotHeight
	for i, c := range counts {
		height := c / top * plotHeight
		fmt.Fprintf(p, `<rect x="%.1f" y="%.1f" width="%.1f" height="%.1f" fill="%s"/>`+"\n", left+float64(i)*plotWidth/bars, bottom-height, float64(plotWidth)/bars-0.5, height, measuredColour)
	}
	var points []string
	for i := range 4*bars + 1 {
		v := low + float64(i)/(4*bars)*(high-low)
		points = append(points, fmt.Sprintf("%.1f,%.1f", left+(v-low)/(high-low)*plotWidth, bottom-min(1, o.prob(v)/top)*plotHeight))
	}
	p.line(points, fittedColour)
	p.axis(left, bottom, plotWidth, low, high)
	p.text(left, y+18, "start", `font-weight="bold"`, o.Name)
	p.text(left, y+34, "start", `fill="#444"`, fmt.Sprintf("n %d, median %s, fitted %s, floor %s, KS %.3f, p %.2g", o.N, ms(o.Alone[0]), ms(o.Fitted[0]), ms(o.Shift), o.Distance, o.P))
}

// StartupsPicture draws which part of the pods runs after which time, of a real run and its simulation.
func StartupsPicture(real, simulated *Startups) []byte {
	const width, height, left, top = 860, 420, 50.0, 50.0
	const plotWidth, plotHeight = 560.0, 320.0
	p := newPicture(width, height)
	p.text(left, 24, "start", `font-size="14"`, "Pods that run, by the time since their creation (solid) and since their scheduling (dashed)")
	high := 0.0
	for _, s := range []*Startups{real, simulated} {
		high = max(high, s.Created[len(s.Created)-1])
	}
	high *= 1.03
	for i := range 5 {
		part := float64(i) / 4
		p.text(left-6, top+plotHeight*(1-part)+4, "end", `fill="#444"`, fmt.Sprintf("%.0f %%", 100*part))
		fmt.Fprintf(p, `<line x1="%.1f" y1="%.1f" x2="%.1f" y2="%.1f" stroke="#ddd"/>`+"\n", left, top+plotHeight*(1-part), left+plotWidth, top+plotHeight*(1-part))
	}
	p.axis(left, top+plotHeight, plotWidth, 0, high)
	for i, s := range []*Startups{real, simulated} {
		name, colour := "real", "#2c6fb0"
		if i == 1 {
			name, colour = "simulated", fittedColour
		}
		for _, c := range []struct {
			times []float64
			dash  string
		}{{s.Created, ""}, {s.Scheduled, ` stroke-dasharray="5 4"`}} {
			points := []string{fmt.Sprintf("%.1f,%.1f", left, top+plotHeight)}
			for j, v := range c.times {
				x := left + v/high*plotWidth
				points = append(points, fmt.Sprintf("%.1f,%.1f", x, top+plotHeight*(1-float64(j)/float64(len(c.times)))),
					fmt.Sprintf("%.1f,%.1f", x, top+plotHeight*(1-float64(j+1)/float64(len(c.times)))))
			}
			fmt.Fprintf(p, `<polyline points="%s" fill="none" stroke="%s" stroke-width="2"%s/>`+"\n", strings.Join(points, " "), colour, c.dash)
		}
		y := top + 20 + float64(i)*80
		p.text(left+plotWidth+20, y, "start", fmt.Sprintf(`fill="%s" font-weight="bold"`, colour), fmt.Sprintf("%s: %s", name, s.counts()))
		p.text(left+plotWidth+20, y+18, "start", `fill="#444"`, fmt.Sprintf("half run after %s", seconds(quantile(s.Created, 0.5))))
		p.text(left+plotWidth+20, y+36, "start", `fill="#444"`, fmt.Sprintf("the last after %s", seconds(s.Created[len(s.Created)-1])))
	}
	return p.end()
}

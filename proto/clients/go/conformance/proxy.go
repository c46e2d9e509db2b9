package main

import (
	"fmt"
	"net"
	"sync"
	"sync/atomic"
)

// proxy passes bytes between a port of loopback and a server, and breaks connections on purpose.
type proxy struct {
	address string
	// sent counts the bytes that went to the server, connections the connections.
	sent, connections atomic.Int64

	target string
	mutex  sync.Mutex
	closed bool
	ends   map[net.Conn]bool
	// answers is closed while bytes from the server may pass.
	answers chan struct{}
}

func newProxy(target string) *proxy {
	listener := must(net.Listen("tcp", "127.0.0.1:0"))
	// By name, as the certificate of a server behind a gateway may be.
	address := fmt.Sprintf("localhost:%d", listener.Addr().(*net.TCPAddr).Port)
	p := &proxy{address: address, target: target, ends: map[net.Conn]bool{}, answers: closedChannel()}
	go func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			p.accept(client)
		}
	}()
	return p
}

func closedChannel() chan struct{} {
	channel := make(chan struct{})
	close(channel)
	return channel
}

func (p *proxy) accept(client net.Conn) {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	server, err := net.Dial("tcp", p.target)
	if p.closed || err != nil {
		client.Close()
		if err == nil {
			server.Close()
		}
		return
	}
	p.ends[client], p.ends[server] = true, true
	p.connections.Add(1)
	go p.passOn(client, server, true)
	go p.passOn(server, client, false)
}

func (p *proxy) passOn(source, sink net.Conn, toServer bool) {
	defer source.Close()
	defer sink.Close()
	buffer := make([]byte, 64*1024)
	for {
		count, err := source.Read(buffer)
		if err != nil {
			return
		}
		if toServer {
			p.sent.Add(int64(count))
		} else {
			p.mutex.Lock()
			answers := p.answers
			p.mutex.Unlock()
			<-answers
		}
		if _, err := sink.Write(buffer[:count]); err != nil {
			return
		}
	}
}

// holdAnswers keeps back what the server sends.
func (p *proxy) holdAnswers() {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	p.release()
	p.answers = make(chan struct{})
}

// releaseAnswers passes on what was kept back.
func (p *proxy) releaseAnswers() {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	p.release()
}

func (p *proxy) release() {
	select {
	case <-p.answers:
	default:
		close(p.answers)
	}
}

// cut breaks all connections and accepts no others. What was kept back is lost with its connection.
func (p *proxy) cut() {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	p.closed = true
	for end := range p.ends {
		end.Close()
	}
	clear(p.ends)
	p.release()
}

// restore accepts connections again.
func (p *proxy) restore() {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	p.closed = false
}

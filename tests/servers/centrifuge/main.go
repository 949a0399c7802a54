// A peer for `tidegate-sim bench`: the library Centrifugo 6 is made of, with Centrifugo's WebSocket endpoint and its
// HTTP API's publish and batch. No history, no presence, no authentication.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/centrifugal/centrifuge"
)

const bodyBytesMax = 1 << 20

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	if err := serve(ctx); err != nil {
		log.Fatal(err)
	}
}

// serve runs on a free port of loopback, says which one, and ends when ctx does.
func serve(ctx context.Context) error {
	node, err := newNode()
	if err != nil {
		return err
	}
	routes := http.NewServeMux()
	routes.Handle("/connection/websocket", centrifuge.NewWebsocketHandler(node, centrifuge.WebsocketConfig{}))
	routes.HandleFunc("POST /api/publish", api(node))
	routes.HandleFunc("POST /api/batch", api(node))
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	server := &http.Server{Handler: routes, ReadHeaderTimeout: 10 * time.Second}
	go func() {
		<-ctx.Done()
		grace, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		_ = node.Shutdown(grace)
		_ = server.Close()
	}()
	fmt.Println("centrifuge ready: http", listener.Addr())
	if err := server.Serve(listener); err != http.ErrServerClosed {
		return err
	}
	return nil
}

// newNode makes a node that lets anyone in, and into any channel.
func newNode() (*centrifuge.Node, error) {
	node, err := centrifuge.New(centrifuge.Config{})
	if err != nil {
		return nil, err
	}
	node.OnConnecting(func(context.Context, centrifuge.ConnectEvent) (centrifuge.ConnectReply, error) {
		return centrifuge.ConnectReply{Credentials: &centrifuge.Credentials{}}, nil
	})
	node.OnConnect(func(client *centrifuge.Client) {
		client.OnSubscribe(func(_ centrifuge.SubscribeEvent, reply centrifuge.SubscribeCallback) {
			reply(centrifuge.SubscribeReply{}, nil)
		})
	})
	return node, node.Run()
}

type publication struct {
	Channel string          `json:"channel"`
	Data    json.RawMessage `json:"data"`
}

// body is what both methods take: a publication, or a batch of them.
type body struct {
	publication
	Commands []struct {
		Publish publication `json:"publish"`
	} `json:"commands"`
}

// api publishes in the order of the body and answers as Centrifugo does.
func api(node *centrifuge.Node) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		var request body
		text, err := io.ReadAll(http.MaxBytesReader(w, r.Body, bodyBytesMax))
		if err == nil {
			err = json.Unmarshal(text, &request)
		}
		reply := `{"result":{}}`
		if err == nil && request.Commands == nil {
			_, err = node.Publish(request.Channel, request.Data)
		} else if err == nil {
			replies := strings.Repeat(`,{"publish":{}}`, len(request.Commands))
			reply = `{"replies":[` + strings.TrimPrefix(replies, ",") + `]}`
		}
		for _, command := range request.Commands {
			if err == nil {
				_, err = node.Publish(command.Publish.Channel, command.Publish.Data)
			}
		}
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Content-Length", strconv.Itoa(len(reply)))
		_, _ = io.WriteString(w, reply)
	}
}

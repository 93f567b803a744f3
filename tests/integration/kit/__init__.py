"""What the integration tests are written with: a broker, WebSocket clients, requests and handlers."""

module sallyport/interop/quicgo

go 1.23

require (
	github.com/quic-go/connect-ip-go v0.1.0
	github.com/quic-go/quic-go v0.54.1
	github.com/yosida95/uritemplate/v3 v3.0.2
	sallyport/interop/tundevice v0.0.0
)

replace sallyport/interop/tundevice => ../tundevice

require (
	github.com/dunglas/httpsfv v1.0.2 // indirect
	github.com/francoispqt/gojay v1.2.13 // indirect
	github.com/quic-go/qpack v0.5.1 // indirect
	go.uber.org/mock v0.5.0 // indirect
	golang.org/x/crypto v0.26.0 // indirect
	golang.org/x/mod v0.18.0 // indirect
	golang.org/x/net v0.28.0 // indirect
	golang.org/x/sync v0.8.0 // indirect
	golang.org/x/sys v0.23.0 // indirect
	golang.org/x/text v0.17.0 // indirect
	golang.org/x/tools v0.22.0 // indirect
)

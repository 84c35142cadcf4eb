// Package tundevice is the TUN device of the Go programs beside it, and what joins it with a CONNECT-IP tunnel of any version of connect-ip-go.
package tundevice

import (
	"fmt"
	"os"
	"syscall"
	"time"
	"unsafe"
)

// Open makes a TUN device of this name, for plain packets.
func Open(name string) (*os.File, error) {
	fd, err := syscall.Open("/dev/net/tun", syscall.O_RDWR|syscall.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("/dev/net/tun: %w", err)
	}
	var request struct {
		name  [16]byte
		flags uint16
		rest  [22]byte
	}
	copy(request.name[:15], name)
	request.flags = syscall.IFF_TUN | syscall.IFF_NO_PI
	if _, _, failed := syscall.Syscall(syscall.SYS_IOCTL, uintptr(fd), syscall.TUNSETIFF, uintptr(unsafe.Pointer(&request))); failed != 0 {
		return nil, fmt.Errorf("the TUN device %s: %w", name, failed)
	}
	// Non-blocking, so that reads wait in Go's poller, not in a thread of their own.
	if err := syscall.SetNonblock(fd, true); err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fd), name), nil
}

// Tunnel is connect-ip-go's Conn.
type Tunnel interface {
	ReadPacket([]byte) (int, error)
	WritePacket([]byte) (icmp []byte, err error)
}

// Join passes packets between device and tunnel until one of them ends, and then takes none of the device's any more.
func Join(device *os.File, tunnel Tunnel) error {
	if err := device.SetReadDeadline(time.Time{}); err != nil {
		return err
	}
	ended, done := make(chan error, 2), make(chan struct{})
	go func() {
		defer close(done)
		buffer := make([]byte, 65536)
		for {
			n, err := device.Read(buffer)
			if err != nil {
				ended <- err
				return
			}
			icmp, err := tunnel.WritePacket(buffer[:n])
			if err != nil {
				ended <- err
				return
			}
			if len(icmp) > 0 {
				device.Write(icmp)
			}
		}
	}()
	go func() {
		buffer := make([]byte, 65536)
		for {
			n, err := tunnel.ReadPacket(buffer)
			if err != nil {
				ended <- err
				return
			}
			device.Write(buffer[:n])
		}
	}()
	err := <-ended
	device.SetReadDeadline(time.Now())
	<-done
	return err
}

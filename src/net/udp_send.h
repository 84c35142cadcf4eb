// UdpSender: hands runs of datagrams to the kernel in as few calls as it takes, with UDP_SEGMENT where the
// device accepts it. Part of UdpSocket; keeps no bytes.
#pragma once

#include "net/datagram_path.h"

#include <cstddef>
#include <cstdint>

namespace sallyport::net {

class UdpSender {
 public:
  struct Outcome {
    std::size_t taken = 0;  ///< bytes from the front of the run, always whole datagrams
    int error = 0;          ///< why the rest was not, or 0 when all went; EAGAIN: the socket is full
    unsigned calls = 0;
  };
  struct Options {
    bool connected = false;       ///< the far end is the socket's, not the path's
    bool source_address = false;  ///< send from the path's local address
    bool segmentation = true;     ///< use UDP_SEGMENT
  };

  UdpSender(int fd, const Options& options) : fd_(fd), options_(options) {}
  Outcome send(const NetPath& to, const DatagramRun& run);
  /// So many refusals in a row, each of a run whose datagrams could be sent one by one, are believed.
  static constexpr unsigned believed_refusals = 3;
  /// False once the kernel or the device refused UDP_SEGMENT for good.
  bool segmentation() const { return options_.segmentation; }

 private:
  struct Envelope;
  int send_segmented(Envelope& envelope, Bytes piece, std::size_t segment_size);
  int send_one_by_one(Envelope& envelope, Bytes piece, std::size_t segment_size, std::size_t& taken);
  bool may_be_echo(int error) const;
  void refuse_segmentation(int error, Bytes piece, std::size_t segment_size);

  int fd_;
  unsigned refusals_ = 0;
  Options options_;
};

}  // namespace sallyport::net

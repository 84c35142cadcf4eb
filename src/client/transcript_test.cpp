#include "client/transcript.h"

#include <vector>

#include <gtest/gtest.h>

namespace sallyport::client {
namespace {

TEST(Transcript, SaysWhatAConnectionSpeaks) {
  std::vector<dial::LinkFigures> links(1);
  links[0].title = "origin a.test:443";
  EXPECT_EQ(link_lines(links), "* origin a.test:443: \n");
  links[0].version = "HTTP/3";
  links[0].address = "192.0.2.1:443";
  links[0].tls = "TLS1.3";
  EXPECT_EQ(link_lines(links), "* origin a.test:443: HTTP/3, 192.0.2.1:443, TLSv1.3\n") << "as with 0-RTT";
  links[0].cipher = "TLS_AES_128_GCM_SHA256";
  EXPECT_EQ(link_lines(links),
            "* origin a.test:443: HTTP/3, 192.0.2.1:443, TLSv1.3 / TLS_AES_128_GCM_SHA256\n");
}

}  // namespace
}  // namespace sallyport::client

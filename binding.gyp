{
  "targets": [
    {
      "target_name": "sriov_native",
      "sources": [
        "native/glue.c",
        "native/glue/ethtool.c",
        "native/glue/exchange.c",
        "native/glue/functions.c",
        "native/glue/files.c",
        "native/glue/socket.c",
        "native/glue/sync.c",
        "native/glue/watch.c",
        "native/glue/work.c",
        "native/napi/arguments.c",
        "native/ethtool.c",
        "native/netns.c",
        "native/netlink_socket.c",
        "native/packet.c",
        "native/child.c",
        "native/lock.c",
        "native/files.c",
        "native/unix_socket.c"
      ],
      "defines": ["NAPI_VERSION=8", "_GNU_SOURCE"],
      "cflags_c": ["-std=c11", "-Wall", "-Wextra", "-Werror", "-Wno-missing-field-initializers", "-O2", "-fvisibility=hidden"]
    }
  ]
}

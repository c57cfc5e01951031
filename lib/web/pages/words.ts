/** Every text of the pages, in every language that they speak. */

/** The languages, in which order they are offered. */
export const LANGUAGES = ["en", "zh"] as const;

/** One of {@linkcode LANGUAGES}. */
export type Language = typeof LANGUAGES[number];

const WORDS = {
  languageName: { en: "English", zh: "中文" },
  start: { en: "Start", zh: "开始" },
  live: { en: "Live", zh: "实时" },
  cache: { en: "Cache", zh: "缓存" },
  traffic: { en: "Traffic", zh: "流量" },
  upstreams: { en: "Upstreams", zh: "上游" },
  skip: { en: "Skip to content", zh: "跳到内容" },
  pages: { en: "Pages", zh: "页面" },
  settings: { en: "Display", zh: "显示" },
  dark: { en: "Dark", zh: "深色" },
  light: { en: "Light", zh: "浅色" },
  logOut: { en: "Log out", zh: "退出" },
  logIn: { en: "Log in", zh: "登录" },
  footer: { en: "a registry proxy and cache", zh: "镜像仓库代理与缓存" },

  startTitle: { en: "Pull through this proxy", zh: "通过此代理拉取镜像" },
  startLead: {
    en:
      "Choose what pulls and what you want. The lines below are for this host and can be copied as they are.",
    zh: "选择客户端和想要的镜像。下面的内容已按本机地址写好，可以直接复制。",
  },
  image: { en: "Image", zh: "镜像" },
  imageHint: { en: "nginx, or ghcr.io/owner/app:1.2", zh: "nginx 或 ghcr.io/owner/app:1.2" },
  registry: { en: "Registry", zh: "仓库源" },
  engine: { en: "Engine", zh: "客户端" },
  show: { en: "Show", zh: "显示" },
  dockerMirror: { en: "Docker, as a mirror", zh: "Docker（镜像加速）" },
  dockerPrefix: { en: "Docker, by name", zh: "Docker（带前缀）" },
  containerd: { en: "containerd", zh: "containerd" },
  podman: { en: "Podman", zh: "Podman" },
  buildkit: { en: "BuildKit", zh: "BuildKit" },
  k3s: { en: "k3s, RKE2", zh: "k3s、RKE2" },
  writeFile: { en: "Put this into", zh: "写入文件" },
  thenDo: { en: "Then", zh: "然后" },
  thenPull: { en: "Then pull", zh: "然后拉取" },
  pullNow: { en: "Pull, nothing to configure", zh: "直接拉取，无需配置" },
  thenBuild: {
    en: "A first line that comes through the proxy",
    zh: "通过代理拉取的 Dockerfile 首行",
  },
  copy: { en: "Copy", zh: "复制" },
  copied: { en: "Copied", zh: "已复制" },
  mirrorOnlyHub: {
    en:
      "Docker has mirrors for Docker Hub only. For other registries, put this proxy's name in front of the image:",
    zh: "Docker 只支持 Docker Hub 的镜像加速。其他仓库请在镜像名前加上代理地址：",
  },
  insecureNote: {
    en: "This proxy is reached without TLS, so Docker has to be told:",
    zh: "当前通过 HTTP 访问代理，需要告诉 Docker：",
  },
  badImage: { en: "This cannot be pulled here:", zh: "无法在此拉取：" },

  liveTitle: { en: "Under way", zh: "进行中" },
  liveLead: {
    en: "What comes in from upstreams and goes out to clients, as it happens.",
    zh: "正在从上游下载以及发送给客户端的内容。",
  },
  liveEmpty: { en: "Nothing is being transferred.", zh: "当前没有传输。" },
  liveEmptyHint: {
    en: "Pull something through this proxy and it appears here.",
    zh: "通过此代理拉取镜像后会显示在这里。",
  },
  incoming: { en: "From upstream", zh: "来自上游" },
  outgoing: { en: "To client", zh: "发往客户端" },
  what: { en: "What", zh: "内容" },
  who: { en: "Who", zh: "对象" },
  progress: { en: "Progress", zh: "进度" },
  speed: { en: "Speed", zh: "速度" },
  sending: { en: "from the cache", zh: "来自缓存" },
  activeFills: { en: "Fills", zh: "下载任务" },
  totalIn: { en: "In", zh: "流入" },
  clientsNow: { en: "Clients", zh: "客户端" },
  noScript: {
    en: "Without JavaScript this page shows one moment; reload it for the next.",
    zh: "未启用 JavaScript，页面只显示当前时刻，请手动刷新。",
  },

  cacheTitle: { en: "In the cache", zh: "缓存内容" },
  cacheLead: {
    en: "{bytes} of {max} in {count} images",
    zh: "{count} 个镜像，已用 {bytes}，上限 {max}",
  },
  cacheFill: { en: "How full the cache is", zh: "缓存使用率" },
  cacheEmpty: { en: "Nothing is cached yet.", zh: "缓存为空。" },
  cacheEmptyHint: {
    en: "The first pull of an image puts it here; later ones are served from this disk.",
    zh: "首次拉取后镜像会保存在这里，之后直接从本机磁盘提供。",
  },
  nothingFound: { en: "No image matches.", zh: "没有匹配的镜像。" },
  search: { en: "Search", zh: "搜索" },
  allRegistries: { en: "All registries", zh: "全部仓库源" },
  tag: { en: "Tag", zh: "标签" },
  platforms: { en: "Platforms", zh: "平台" },
  size: { en: "Size", zh: "大小" },
  lastUse: { en: "Last use", zh: "最近使用" },
  pulls: { en: "Pulls", zh: "拉取次数" },
  actions: { en: "Actions", zh: "操作" },
  pin: { en: "Pin", zh: "固定" },
  unpin: { en: "Unpin", zh: "取消固定" },
  pinned: { en: "pinned", zh: "已固定" },
  purge: { en: "Purge", zh: "清除" },
  notHere: { en: "not cached", zh: "未缓存" },
  previous: { en: "Newer", zh: "上一页" },
  next: { en: "Older", zh: "下一页" },
  confirmPurge: { en: "Purge this image?", zh: "清除此镜像？" },
  confirmPurgeText: {
    en:
      "It is forgotten, and what no other image needs is removed from the disk. The next pull fetches it again.",
    zh: "该镜像将被移除，其他镜像不需要的内容会从磁盘删除。下次拉取会重新下载。",
  },
  confirmPin: { en: "Pin this image?", zh: "固定此镜像？" },
  confirmPinText: {
    en: "It stays when room is needed for others, and with it whatever the tag points to later.",
    zh: "空间不足时也会保留该镜像，以及该标签以后指向的内容。",
  },
  confirmUnpin: { en: "Unpin this image?", zh: "取消固定此镜像？" },
  confirmUnpinText: {
    en: "It may then be removed when room is needed and nobody has used it for long.",
    zh: "之后空间不足且长期未使用时可能被移除。",
  },
  cancel: { en: "Cancel", zh: "取消" },
  donePurge: { en: "Purged {image}; {bytes} freed.", zh: "已清除 {image}，释放 {bytes}。" },
  donePin: { en: "Pinned {image}.", zh: "已固定 {image}。" },
  doneUnpin: { en: "Unpinned {image}.", zh: "已取消固定 {image}。" },

  trafficTitle: { en: "Traffic", zh: "流量" },
  hour: { en: "Last hour", zh: "最近一小时" },
  day: { en: "Last day", zh: "最近一天" },
  week: { en: "Last week", zh: "最近一周" },
  period: { en: "Period", zh: "时间范围" },
  requests: { en: "Requests", zh: "请求" },
  hits: { en: "Hits", zh: "命中" },
  hitRatio: { en: "Hit ratio", zh: "命中率" },
  served: { en: "Served", zh: "已提供" },
  fetched: { en: "Fetched", zh: "已下载" },
  latency: { en: "Mean duration", zh: "平均耗时" },
  errors: { en: "Errors", zh: "错误" },
  quotaLeft: { en: "Docker Hub quota left", zh: "Docker Hub 剩余配额" },
  bytesChart: { en: "Bytes served and fetched", zh: "提供与下载的字节" },
  requestsChart: { en: "Requests and hits", zh: "请求与命中" },
  latencyChart: { en: "Mean duration of a request", zh: "请求平均耗时" },
  quotaChart: { en: "Docker Hub quota left", zh: "Docker Hub 剩余配额" },
  asTable: { en: "As a table", zh: "以表格显示" },
  time: { en: "Time", zh: "时间" },
  trafficEmpty: { en: "Nobody has pulled anything in this time.", zh: "此时间段内没有拉取。" },
  trafficEmptyHint: {
    en: "Counts are kept for a week and survive restarts.",
    zh: "统计保留一周，重启后仍然有效。",
  },
  unknown: { en: "unknown", zh: "未知" },

  upstreamsTitle: { en: "Upstreams", zh: "上游仓库" },
  upstreamsLead: {
    en: "How the registries behind this proxy fare, as its own requests have seen it.",
    zh: "根据本代理自身的请求，显示各上游仓库的状况。",
  },
  notAsked: { en: "Served, but not asked since the start", zh: "可用，启动后尚未访问" },
  isDefault: { en: "default", zh: "默认" },
  stateUp: { en: "reachable", zh: "可达" },
  stateDown: { en: "not reachable", zh: "不可达" },
  stateResting: { en: "not reachable, left alone for a while", zh: "不可达，暂停访问" },
  stateUnknown: { en: "not asked yet", zh: "尚未访问" },
  host: { en: "Host", zh: "主机" },
  state: { en: "State", zh: "状态" },
  hostLatency: { en: "Latency", zh: "延迟" },
  lastError: { en: "Last error", zh: "最近错误" },
  none: { en: "none", zh: "无" },
  auth: { en: "Credentials", zh: "凭据" },
  authRelay: { en: "each caller's own", zh: "使用调用者自己的" },
  authAccount: { en: "this proxy's account", zh: "代理账户" },
  redirects: { en: "Redirects", zh: "重定向" },
  redirectStream: { en: "streamed through the proxy", zh: "由代理转发" },
  redirectPass: { en: "handed to clients", zh: "交给客户端" },
  redirectAuto: { en: "streamed or handed over, by host", zh: "按主机自动选择" },
  connections: { en: "Connections", zh: "连接" },
  quota: { en: "Quota", zh: "配额" },
  quotaOf: { en: "{left} of {limit}", zh: "{left} / {limit}" },
  anonymous: { en: "anonymous", zh: "匿名" },

  loginTitle: { en: "Log in", zh: "登录" },
  loginLead: {
    en: "This page is for whoever has the ADMIN_TOKEN.",
    zh: "此页面需要 ADMIN_TOKEN。",
  },
  token: { en: "Token", zh: "令牌" },
  wrongToken: { en: "This is not the token.", zh: "令牌不正确。" },
  tooManyTries: {
    en: "Too many wrong tokens. Wait {seconds} seconds.",
    zh: "错误次数过多，请等待 {seconds} 秒。",
  },
  noToken: {
    en:
      "Without an ADMIN_TOKEN this page is shown on the proxy's own machine only. Set one to open it to others.",
    zh: "未设置 ADMIN_TOKEN 时，此页面只在代理本机可见。设置后才能从其他机器访问。",
  },
  problem: { en: "This did not work", zh: "操作未成功" },
  backToStart: { en: "Back to the start", zh: "返回开始页" },
  secondsAgo: { en: "{n} s ago", zh: "{n} 秒前" },
  minutesAgo: { en: "{n} min ago", zh: "{n} 分钟前" },
  hoursAgo: { en: "{n} h ago", zh: "{n} 小时前" },
  daysAgo: { en: "{n} d ago", zh: "{n} 天前" },
} as const satisfies Record<string, Record<Language, string>>;

/** A text's name. */
export type Word = keyof typeof WORDS;

/** Gives a text, with what stands in its braces. */
export type Say = (word: Word, values?: Readonly<Record<string, string | number>>) => string;

/** The texts of a language. */
export function sayIn(language: Language): Say {
  return (word, values = {}) =>
    WORDS[word][language].replaceAll(
      /\{(\w+)\}/g,
      (braces, name: string) => String(values[name] ?? braces),
    );
}

// What the page says, in the reader's language. Both tables have the same keys.

const ENGLISH = {
  online: "Connected", connecting: "Connecting …", offline: "Not connected, trying again …",
  placeholder: "Write a message", send: "Send", attach: "Attach a file", fresh: "New conversation",
  emptyTitle: "Say hello", emptyText: "Enter sends, Shift+Enter makes a new line.",
  sending: "sending …", failed: "not sent", again: "Send again", latest: "Newest messages ↓",
  you: "You", typing: "is writing", gateTitle: "Access token", gateText: "This conversation asks for a token. Whoever runs the bot has it.",
  token: "Token", enter: "Open", wrongToken: "That token was not accepted.", tooLarge: "The file is larger than {0} MB.",
  uploadFailed: "The file could not be sent.", deleted: "The message was deleted.", download: "Download {0}", file: "file",
};

const CHINESE = {
  online: "已连接", connecting: "正在连接……", offline: "未连接，正在重试……",
  placeholder: "输入消息", send: "发送", attach: "添加文件", fresh: "新对话",
  emptyTitle: "打个招呼吧", emptyText: "Enter 发送，Shift+Enter 换行。",
  sending: "发送中……", failed: "未发送", again: "重新发送", latest: "最新消息 ↓",
  you: "你", typing: "正在输入", gateTitle: "访问令牌", gateText: "此对话需要令牌，请向机器人的管理者索取。",
  token: "令牌", enter: "进入", wrongToken: "令牌不正确。", tooLarge: "文件大于 {0} MB。",
  uploadFailed: "文件发送失败。", deleted: "消息已删除。", download: "下载 {0}", file: "文件",
};

export const language = navigator.language.toLowerCase().startsWith("zh") ? "zh" : "en";
const words = language === "zh" ? CHINESE : ENGLISH;

/** The text of a key; `{0}` becomes the value. */
export const say = (key, value = "") => words[key].replace("{0}", value);

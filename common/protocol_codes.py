"""The protocol's code tables, each value with its English and its Chinese meaning.

The Chinese is the protocol's own wording. Codes are text: `02` is not `2`. Platforms may send values that are not in
these tables; they are stored and passed on, so look a value up with `describe`, which never fails.
"""

from enum import Enum
from typing import Self


class ProtocolCode(Enum):
    """A value of the protocol: `text` goes over the wire, `english` and `chinese` say what it means."""

    def __init__(self, text: str, english: str, chinese: str) -> None:
        self.text = text
        self.english = english
        self.chinese = chinese

    # There is one object per member. Enum's own hash is a Python function, and slow for sets of codes.
    __hash__ = object.__hash__

    @classmethod
    def lookup(cls, text: str) -> Self | None:
        """The member with this wire value, or None for one that the protocol does not name."""
        for member in cls:
            if member.text == text:
                return member
        return None

    @classmethod
    def describe(cls, text: str) -> str:
        """The English meaning; for an unknown value `unknown (…)` with the value in it."""
        member = cls.lookup(text)
        return member.english if member is not None else f"unknown ({text})"


class Method(ProtocolCode):
    """`method`: what a message is."""

    QUERY = ("query", "number query", "查询号码")
    EVENT = ("event", "event notification", "事件通知")


class ResultCode(ProtocolCode):
    """`result` of an answer. The protocol fixes 0000 only; the failures are this project's."""

    SUCCESS = ("0000", "success", "成功")
    MALFORMED_REQUEST = ("1001", "malformed request", "请求格式错误")
    UNKNOWN_TENANT = ("1002", "unknown enterprise", "企业不存在")
    UNKNOWN_ACCESS_NUMBER = ("1003", "access number unknown", "接入号码不存在")
    NO_BINDING = ("1004", "no relationship between caller and access number", "主叫与接入号无绑定关系")
    CALLER_BLOCKED = ("1005", "caller blocked", "主叫被禁止")
    NOT_IN_FORCE = ("1006", "relationship expired or outside its hours", "绑定关系已过期或不在有效时段")
    NOT_AUTHORIZED = ("1007", "not authorised", "未授权")
    TIMED_OUT = ("9001", "timed out", "处理超时")
    UNAVAILABLE = ("9002", "temporarily unavailable", "暂时不可用")
    INTERNAL = ("9999", "internal error", "内部错误")


class EventCode(ProtocolCode):
    """`code` of an event."""

    CALLING_CALLEE = ("15", "calling the callee", "开始呼叫被叫")
    RINGING = ("16", "callee ringing", "被叫振铃")
    CALLER_HANGUP = ("22", "caller hung up, call over", "主叫挂机通话结束")
    CALLEE_UNREACHABLE = ("30", "callee not reached", "被叫不可达")
    CALLEE_ANSWERED = ("31", "callee off hook", "被叫摘机")
    CALLEE_HANGUP = ("32", "callee hung up, call over", "被叫挂机通话结束")
    CONVERSATION_STARTED = ("40", "conversation started", "通话开始")
    TIME_UP = ("42", "maximum duration reached, call over", "通话到时结束")
    LAST_MINUTE = ("43", "warning of the last minute", "通话最后一分钟提醒")
    PARTY_HANGUP = ("44", "one side hung up, call over", "一方挂机通话结束")


class CallResult(ProtocolCode):
    """`callResult` of an event: why the call was not put through."""

    NONE = ("00", "no reason given", "无原因")
    ROUTING_FAILED = ("01", "routing failed", "路由失败")
    BUSY = ("02", "busy", "呼叫遇忙")
    OUT_OF_AREA = ("03", "out of the service area", "用户不在服务区")
    NO_ANSWER = ("04", "no answer", "用户无应答")
    POWERED_OFF = ("05", "switched off", "用户已关机")
    VACANT_NUMBER = ("06", "number not in use", "号码是空号")
    SUSPENDED = ("11", "service suspended", "用户停机")
    NUMBER_EXPIRED = ("12", "number expired", "号码过期")
    FORWARDED = ("13", "call forwarded", "呼叫转移")
    MISSING_ZERO = ("18", "non-local mobile without a leading 0", "外地手机号前未加0")
    CALLER_RESTRICTED = ("20", "caller restricted", "主叫限制")
    CALLEE_RESTRICTED = ("21", "callee restricted", "被叫限制")
    FORWARDING_RESTRICTED = ("22", "forwarding restricted", "呼转限制")
    CALLEE_IN_CALL = ("23", "callee in another call", "被叫通话中")
    REJECTED = ("24", "rejected by the callee", "用户拒接")
    SIGNAL_ROUTING_FAILED = ("101", "routing failed (by signalling)", "根据信令判别路由失败")
    SIGNAL_BUSY = ("102", "busy (by signalling)", "根据信令判别呼叫遇忙")
    SIGNAL_OUT_OF_AREA = ("103", "out of the service area (by signalling)", "根据信令判别出用户不在服务区")
    SIGNAL_NO_ANSWER = ("104", "no answer (by signalling)", "根据信令判别出用户无应答")
    LINE_BUSY = ("108", "line busy, congestion signalled", "线路忙，线路上收到拥塞信令")
    LINE_FAULT = ("109", "line fault", "线路异常")
    SIGNAL_VACANT_NUMBER = (
        "110",
        "number not in use (by signalling: cause 1, 22 or 28, or code 404)",
        "根据信令判别为空号，cause为1, 22, 28, 或者code为404",
    )
    SIGNAL_FORWARDED = ("113", "call forwarded (by signalling)", "根据信令判断呼叫转移")
    RINGING = ("180", "ringing", "振铃中")


class RecordType(ProtocolCode):
    """`recordType`: when recording starts."""

    NONE = ("0", "not recorded", "不录音")
    AT_ONCE = ("1", "recorded at once", "立即录音")
    AFTER_ANSWER = ("2", "recorded after the callee answers", "接通被叫后录音")


class ConnectionType(ProtocolCode):
    """`connType`: how caller and callee are joined. In bridge mode recording at once is not possible."""

    CONFERENCE = ("0", "conference", "会议模式")
    BRIDGE = ("1", "bridge", "桥模式")


class RingbackMode(ProtocolCode):
    """`ringbackMode`: whether the caller hears the callee's own ringback."""

    LOCAL = ("0", "callee's ringback not passed through", "不透传被叫侧回铃音")
    PASS_THROUGH = ("1", "callee's ringback passed through", "透传被叫侧回铃音")


class MemberType(ProtocolCode):
    """`type` of a member of `userList`."""

    CALLER = ("0", "caller", "主叫")
    CALLED = ("1", "called", "被叫")


class MemberState(ProtocolCode):
    """`state` of a member of an event's `userList`."""

    IDLE = ("0", "idle", "空闲")
    IN_CALL = ("1", "in call", "通话中")
    CALLING = ("2", "being called", "呼叫中")
    RINGING = ("3", "ringing", "振铃中")


class PromptVariableType(ProtocolCode):
    """The type of a spoken variable in a prompt (`vartype`)."""

    INTEGER = ("1", "integer", "整数")
    DIGITS = ("2", "digits", "数字")
    TIME = ("3", "time of day HHMM", "HHMM格式的时间")
    DATE = ("4", "date YYYYMMDD", "YYYYMMDD格式的日期")
    PRICE = ("5", "price YYYYYJF", "YYYYYJF格式的价格")
    DURATION = ("6", "duration HHHHMMMSS", "HHHHMMMSS格式的时间")
    TEXT = ("7", "text to speak", "TTS合成的语音")

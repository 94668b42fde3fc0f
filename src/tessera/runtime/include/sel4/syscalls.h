/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Sending and receiving (manual: Message Passing; System Calls). The plain forms keep the message in the IPC buffer; the
 * forms with MRs take and give its first four words directly, each pointer may be null.
 */
#pragma once

#include <sel4/arch/syscalls.h>

LIBSEL4_INLINE_FUNC struct __sel4_message __sel4_from_buffer(seL4_Word cap, seL4_MessageInfo_t info)
{
    struct __sel4_message m = {
        cap, info.words[0], {seL4_GetMR(0), seL4_GetMR(1), seL4_GetMR(2), seL4_GetMR(3)}};
    return m;
}

LIBSEL4_INLINE_FUNC struct __sel4_message __sel4_from_words(seL4_Word cap, seL4_MessageInfo_t info, seL4_Word *mr0,
                                                            seL4_Word *mr1, seL4_Word *mr2, seL4_Word *mr3)
{
    seL4_Word length = seL4_MessageInfo_get_length(info);
    struct __sel4_message m = {cap,
                               info.words[0],
                               {mr0 != seL4_Null && length > 0 ? *mr0 : 0, mr1 != seL4_Null && length > 1 ? *mr1 : 0,
                                mr2 != seL4_Null && length > 2 ? *mr2 : 0, mr3 != seL4_Null && length > 3 ? *mr3 : 0}};
    return m;
}

LIBSEL4_INLINE_FUNC seL4_MessageInfo_t __sel4_received(const struct __sel4_message *m, seL4_Word *badge)
{
    seL4_MessageInfo_t info;
    if (badge != seL4_Null) {
        *badge = m->cap;
    }
    info.words[0] = m->info;
    return info;
}

LIBSEL4_INLINE_FUNC seL4_MessageInfo_t __sel4_to_buffer(const struct __sel4_message *m, seL4_Word *badge)
{
    for (int i = 0; i < 4; i++) {
        seL4_SetMR(i, m->mr[i]);
    }
    return __sel4_received(m, badge);
}

LIBSEL4_INLINE_FUNC seL4_MessageInfo_t __sel4_to_words(const struct __sel4_message *m, seL4_Word *badge,
                                                       seL4_Word *mr0, seL4_Word *mr1, seL4_Word *mr2, seL4_Word *mr3)
{
    if (mr0 != seL4_Null) {
        *mr0 = m->mr[0];
    }
    if (mr1 != seL4_Null) {
        *mr1 = m->mr[1];
    }
    if (mr2 != seL4_Null) {
        *mr2 = m->mr[2];
    }
    if (mr3 != seL4_Null) {
        *mr3 = m->mr[3];
    }
    return __sel4_received(m, badge);
}

LIBSEL4_INLINE_FUNC void seL4_Send(seL4_CPtr dest, seL4_MessageInfo_t msgInfo)
{
    struct __sel4_message m = __sel4_from_buffer(dest, msgInfo);
    __sel4_ecall(seL4_SysSend, &m);
}

LIBSEL4_INLINE_FUNC void seL4_SendWithMRs(seL4_CPtr dest, seL4_MessageInfo_t msgInfo, seL4_Word *mr0, seL4_Word *mr1,
                                          seL4_Word *mr2, seL4_Word *mr3)
{
    struct __sel4_message m = __sel4_from_words(dest, msgInfo, mr0, mr1, mr2, mr3);
    __sel4_ecall(seL4_SysSend, &m);
}

LIBSEL4_INLINE_FUNC void seL4_NBSend(seL4_CPtr dest, seL4_MessageInfo_t msgInfo)
{
    struct __sel4_message m = __sel4_from_buffer(dest, msgInfo);
    __sel4_ecall(seL4_SysNBSend, &m);
}

LIBSEL4_INLINE_FUNC void seL4_NBSendWithMRs(seL4_CPtr dest, seL4_MessageInfo_t msgInfo, seL4_Word *mr0, seL4_Word *mr1,
                                            seL4_Word *mr2, seL4_Word *mr3)
{
    struct __sel4_message m = __sel4_from_words(dest, msgInfo, mr0, mr1, mr2, mr3);
    __sel4_ecall(seL4_SysNBSend, &m);
}

/* A signal is a send without a message. */
LIBSEL4_INLINE_FUNC void seL4_Signal(seL4_CPtr dest)
{
    __sel4_ecall_plain(seL4_SysSend, dest, 0);
}

LIBSEL4_INLINE_FUNC seL4_MessageInfo_t seL4_Call(seL4_CPtr dest, seL4_MessageInfo_t msgInfo)
{
    struct __sel4_message m = __sel4_from_buffer(dest, msgInfo);
    __sel4_ecall(seL4_SysCall, &m);
    return __sel4_to_buffer(&m, seL4_Null);
}

LIBSEL4_INLINE_FUNC seL4_MessageInfo_t seL4_CallWithMRs(seL4_CPtr dest, seL4_MessageInfo_t msgInfo, seL4_Word *mr0,
                                                        seL4_Word *mr1, seL4_Word *mr2, seL4_Word *mr3)
{
    struct __sel4_message m = __sel4_from_words(dest, msgInfo, mr0, mr1, mr2, mr3);
    __sel4_ecall(seL4_SysCall, &m);
    return __sel4_to_words(&m, seL4_Null, mr0, mr1, mr2, mr3);
}

LIBSEL4_INLINE_FUNC seL4_MessageInfo_t seL4_Recv(seL4_CPtr src, seL4_Word *sender, seL4_CPtr reply)
{
    struct __sel4_message m = {src, 0, {0}};
    __sel4_ecall_receive_reply(seL4_SysRecv, &m, reply);
    return __sel4_to_buffer(&m, sender);
}

LIBSEL4_INLINE_FUNC seL4_MessageInfo_t seL4_RecvWithMRs(seL4_CPtr src, seL4_Word *sender, seL4_CPtr reply,
                                                        seL4_Word *mr0, seL4_Word *mr1, seL4_Word *mr2, seL4_Word *mr3)
{
    struct __sel4_message m = {src, 0, {0}};
    __sel4_ecall_receive_reply(seL4_SysRecv, &m, reply);
    return __sel4_to_words(&m, sender, mr0, mr1, mr2, mr3);
}

LIBSEL4_INLINE_FUNC seL4_MessageInfo_t seL4_NBRecv(seL4_CPtr src, seL4_Word *sender, seL4_CPtr reply)
{
    struct __sel4_message m = {src, 0, {0}};
    __sel4_ecall_receive_reply(seL4_SysNBRecv, &m, reply);
    return __sel4_to_buffer(&m, sender);
}

LIBSEL4_INLINE_FUNC seL4_MessageInfo_t seL4_ReplyRecv(seL4_CPtr src, seL4_MessageInfo_t msgInfo, seL4_Word *sender,
                                                      seL4_CPtr reply)
{
    struct __sel4_message m = __sel4_from_buffer(src, msgInfo);
    __sel4_ecall_reply(seL4_SysReplyRecv, &m, reply);
    return __sel4_to_buffer(&m, sender);
}

LIBSEL4_INLINE_FUNC seL4_MessageInfo_t seL4_ReplyRecvWithMRs(seL4_CPtr src, seL4_MessageInfo_t msgInfo,
                                                             seL4_Word *sender, seL4_Word *mr0, seL4_Word *mr1,
                                                             seL4_Word *mr2, seL4_Word *mr3, seL4_CPtr reply)
{
    struct __sel4_message m = __sel4_from_words(src, msgInfo, mr0, mr1, mr2, mr3);
    __sel4_ecall_reply(seL4_SysReplyRecv, &m, reply);
    return __sel4_to_words(&m, sender, mr0, mr1, mr2, mr3);
}

LIBSEL4_INLINE_FUNC seL4_MessageInfo_t seL4_NBSendRecv(seL4_CPtr dest, seL4_MessageInfo_t msgInfo, seL4_CPtr src,
                                                       seL4_Word *sender, seL4_CPtr reply)
{
    struct __sel4_message m = __sel4_from_buffer(src, msgInfo);
    __sel4_ecall_send_reply(seL4_SysNBSendRecv, &m, reply, dest);
    return __sel4_to_buffer(&m, sender);
}

LIBSEL4_INLINE_FUNC seL4_MessageInfo_t seL4_NBSendRecvWithMRs(seL4_CPtr dest, seL4_MessageInfo_t msgInfo, seL4_CPtr src,
                                                              seL4_Word *sender, seL4_Word *mr0, seL4_Word *mr1,
                                                              seL4_Word *mr2, seL4_Word *mr3, seL4_CPtr reply)
{
    struct __sel4_message m = __sel4_from_words(src, msgInfo, mr0, mr1, mr2, mr3);
    __sel4_ecall_send_reply(seL4_SysNBSendRecv, &m, reply, dest);
    return __sel4_to_words(&m, sender, mr0, mr1, mr2, mr3);
}

/* Here the destination travels where the other calls have the reply object. */
LIBSEL4_INLINE_FUNC seL4_MessageInfo_t seL4_NBSendWait(seL4_CPtr dest, seL4_MessageInfo_t msgInfo, seL4_CPtr src,
                                                       seL4_Word *sender)
{
    struct __sel4_message m = __sel4_from_buffer(src, msgInfo);
    __sel4_ecall_reply(seL4_SysNBSendWait, &m, dest);
    return __sel4_to_buffer(&m, sender);
}

LIBSEL4_INLINE_FUNC seL4_MessageInfo_t seL4_NBSendWaitWithMRs(seL4_CPtr dest, seL4_MessageInfo_t msgInfo, seL4_CPtr src,
                                                              seL4_Word *sender, seL4_Word *mr0, seL4_Word *mr1,
                                                              seL4_Word *mr2, seL4_Word *mr3)
{
    struct __sel4_message m = __sel4_from_words(src, msgInfo, mr0, mr1, mr2, mr3);
    __sel4_ecall_reply(seL4_SysNBSendWait, &m, dest);
    return __sel4_to_words(&m, sender, mr0, mr1, mr2, mr3);
}

LIBSEL4_INLINE_FUNC seL4_MessageInfo_t seL4_Wait(seL4_CPtr src, seL4_Word *sender)
{
    struct __sel4_message m = {src, 0, {0}};
    __sel4_ecall_receive(seL4_SysWait, &m);
    return __sel4_to_buffer(&m, sender);
}

LIBSEL4_INLINE_FUNC seL4_MessageInfo_t seL4_WaitWithMRs(seL4_CPtr src, seL4_Word *sender, seL4_Word *mr0,
                                                        seL4_Word *mr1, seL4_Word *mr2, seL4_Word *mr3)
{
    struct __sel4_message m = {src, 0, {0}};
    __sel4_ecall_receive(seL4_SysWait, &m);
    return __sel4_to_words(&m, sender, mr0, mr1, mr2, mr3);
}

LIBSEL4_INLINE_FUNC seL4_MessageInfo_t seL4_NBWait(seL4_CPtr src, seL4_Word *sender)
{
    struct __sel4_message m = {src, 0, {0}};
    __sel4_ecall_receive(seL4_SysNBWait, &m);
    return __sel4_to_buffer(&m, sender);
}

LIBSEL4_INLINE_FUNC seL4_MessageInfo_t seL4_Poll(seL4_CPtr src, seL4_Word *sender)
{
    return seL4_NBWait(src, sender);
}

LIBSEL4_INLINE_FUNC void seL4_Yield(void)
{
    __sel4_ecall_plain(seL4_SysYield, 0, 0);
}

#ifdef CONFIG_PRINTING
LIBSEL4_INLINE_FUNC void seL4_DebugPutChar(char c)
{
    __sel4_ecall_plain(seL4_SysDebugPutChar, (seL4_Uint8)c, 0);
}

LIBSEL4_INLINE_FUNC void seL4_DebugPutString(char *str)
{
    for (; *str != 0; str++) {
        seL4_DebugPutChar(*str);
    }
}

LIBSEL4_INLINE_FUNC void seL4_DebugDumpScheduler(void)
{
    __sel4_ecall_plain(seL4_SysDebugDumpScheduler, 0, 0);
}
#endif

#ifdef CONFIG_DEBUG_BUILD
LIBSEL4_INLINE_FUNC void seL4_DebugHalt(void)
{
    __sel4_ecall_plain(seL4_SysDebugHalt, 0, 0);
}

LIBSEL4_INLINE_FUNC void seL4_DebugSnapshot(void)
{
    __sel4_ecall_plain(seL4_SysDebugSnapshot, 0, 0);
}

/* The kernel's own number for the kind of a capability; 0 for an empty slot. */
LIBSEL4_INLINE_FUNC seL4_Uint32 seL4_DebugCapIdentify(seL4_CPtr cap)
{
    return (seL4_Uint32)__sel4_ecall_plain(seL4_SysDebugCapIdentify, cap, 0);
}

/* The name goes into the IPC buffer, and is cut where the message registers end. */
LIBSEL4_INLINE_FUNC void seL4_DebugNameThread(seL4_CPtr tcb, const char *name)
{
    volatile char *text = (volatile char *)__sel4_ipc_buffer->msg;
    seL4_Word i = 0;
    for (; name[i] != 0 && i + 1 < seL4_MsgMaxLength * sizeof(seL4_Word); i++) {
        text[i] = name[i];
    }
    text[i] = 0;
    __sel4_ecall_plain(seL4_SysDebugNameThread, tcb, 0);
}
#endif

#ifdef CONFIG_SET_TLS_BASE_SELF
LIBSEL4_INLINE_FUNC void seL4_SetTLSBase(seL4_Word tls_base)
{
    __sel4_ecall_plain(seL4_SysSetTLSBase, tls_base, 0);
}
#endif

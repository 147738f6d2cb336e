import{u as e}from"./index-6XalgEh_.js";async function*t(t,r,i){let a=await e(t,r,i);if(!a.body)return;let o=n(),s=a.body.pipeThrough(new TextDecoderStream).getReader();try{for(;;){let{done:e,value:t}=await s.read();if(e)return;yield*o(t)}}finally{await s.cancel().catch(()=>void 0)}}function n(){let e=``;return t=>{e+=t;let n=e.endsWith(`\r`)?`\r`:``,i=e.slice(0,e.length-n.length).replace(/\r\n?/g,`
`).split(`

`);return e=(i.pop()??``)+n,i.map(r).filter(e=>e.data!==``)}}function r(e){let t={event:`message`,data:``,id:``},n=[];for(let r of e.split(`
`)){let[,e,i]=/^([^:]*):? ?(.*)$/.exec(r)??[];e===`data`?n.push(i??``):e===`event`?t.event=i||`message`:e===`id`&&(t.id=i??``)}return t.data=n.join(`
`),t}export{t};
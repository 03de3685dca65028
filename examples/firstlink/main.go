// Firstlink is the shortest program that creates an invite link.
package main

import (
	"context"
	"fmt"
	"log"
	"os"
	"time"

	"example.com/telegram"
)

func main() {
	client, err := telegram.NewClient(os.Getenv("TELEGRAM_BOT_TOKEN"))
	if err != nil {
		log.Fatal(err)
	}
	link, err := client.CreateInvitationLink(context.Background(), "-1001234567890",
		telegram.WithName("Order 1042"),
		telegram.WithExpireDate(time.Now().Add(24*time.Hour)),
		telegram.WithMemberLimit(1),
	)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(link.InviteLink)
}
